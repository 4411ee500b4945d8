* golden: full netlist
* proven: there is one operating point, and the circuit comes to rest there from any start
v_bias bias 0 1.0
v_clamp clamp 0 0.3
b_eq_v_x_0 x_0 0 v=pwl(v(eq_s),0,2.0,1,-1.0)
b_eq_v_x_1 x_1 0 v=pwl(v(eq_s),0,0.0,1,0.5)
r_w1_0_0 x_0 h_0 99999.99999999999
r_w1_0_1 x_0 h_1 49999.99999999999
r_w1_1_0 x_1 h_0 33333.333333333336
r_w1_1_1 x_1 h_1 24999.999999999996
r_b1_0 bias h_0 1000000.0
r_b1_1 bias h_1 1000000.0
.model m_up d is=1e-09 n=1.0
d_up_0 h_0 clamp m_up
d_up_1 h_1 clamp m_up
b_down_0 0 h_0 i=0.01*(50.0*(uramp(v(0,h_0))-uramp(v(0,h_0)-0.01))*(uramp(v(0,h_0))-uramp(v(0,h_0)-0.01))+uramp(v(0,h_0)-0.01))
b_down_1 0 h_1 i=0.01*(50.0*(uramp(v(0,h_1))-uramp(v(0,h_1)-0.01))*(uramp(v(0,h_1))-uramp(v(0,h_1)-0.01))+uramp(v(0,h_1)-0.01))
e_a1_0 y_0 0 h_0 0 4.0
f_a1_0 0 h_0 e_a1_0 0.25
e_a1_1 y_1 0 h_1 0 4.0
f_a1_1 0 h_1 e_a1_1 0.25
r_w2_0_0 y_0 out_0 99999.99999999999
r_w2_0_1 y_0 out_1 49999.99999999999
r_w2_1_0 y_1 out_0 49999.99999999999
r_w2_1_1 y_1 out_1 99999.99999999999
i_offset_0 0 out_0 1e-07
i_offset_1 0 out_1 -1e-07
g_g1_0 out_0 0 out_1 0 1e-06
g_g2_0 out_1 0 out_0 0 1e-06
v_eq_s eq_s 0 0
v_eq_p eq_p 0 0
.options reltol=1e-11 vntol=1e-13 abstol=1e-16 gmin=1e-18 itl1=500 itl2=200 noacct
.width out=96
.dc v_eq_s 0 1 1
.print dc v(eq_s) v(eq_p) v(out_0) v(out_1)
.end
